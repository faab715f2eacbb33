/** Counts what kept bodies really hold: each backing buffer once and whole, however small the pieces of it are. */
interface Pin {
  pieces: number
}

export class Pins {
  readonly #shared = new Map<ArrayBufferLike, Pin>()
  /** Pieces of one buffer come one after another. */
  #last: ArrayBufferLike | undefined
  #lastPin: Pin = { pieces: 0 }
  #bytes = 0

  get bytes(): number {
    return this.#bytes
  }

  hold(body: Uint8Array): void {
    const { buffer } = body
    if (buffer.byteLength === body.byteLength) {
      this.#bytes += body.byteLength
      return
    }
    this.#find(buffer).pieces += 1
  }

  release(body: Uint8Array): void {
    const { buffer } = body
    if (buffer.byteLength === body.byteLength) {
      this.#bytes -= body.byteLength
      return
    }
    const pin = this.#find(buffer)
    pin.pieces -= 1
    if (pin.pieces > 0) return
    this.#shared.delete(buffer)
    this.#last = undefined
    this.#bytes -= buffer.byteLength
  }

  #find(buffer: ArrayBufferLike): Pin {
    if (buffer === this.#last) return this.#lastPin
    let pin = this.#shared.get(buffer)
    if (pin === undefined) {
      pin = { pieces: 0 }
      this.#shared.set(buffer, pin)
      this.#bytes += buffer.byteLength
    }
    this.#last = buffer
    this.#lastPin = pin
    return pin
  }
}
