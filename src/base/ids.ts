/**
 * Numbers that name things. All are handed out by the catalog and never used twice: a group that is deleted, or a
 * replica that lost its disk, comes back under a new number.
 */
/** A Raft group: one partition, or the catalog. */
export type GroupId = number
/** One replica of one group; unique over all groups. Raft's node id. 0 means none. */
export type ReplicaId = number
/** One process with one data folder. */
export type NodeId = number

/** The catalog's own group, the same on every node. Its replica ids are the node ids of its members. */
export const CATALOG_GROUP: GroupId = 1
/** Numbers the catalog hands out start here; below are the initial members of the catalog group. */
export const FIRST_FREE_ID = 1000
