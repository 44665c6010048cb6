-- What a node of a cluster keeps of its own. No row: this is the store of a lone daemon.
CREATE TABLE cluster (
    id       INTEGER PRIMARY KEY CHECK (id = 1),
    name     TEXT NOT NULL, -- the node's
    place    BLOB NOT NULL, -- of the last committed turn in the log, as the order has encoded it
    log      BLOB,          -- in a copy that was never opened: the id of the log, and the number from which on it has it
    log_from INTEGER
) STRICT;

-- The policy that the state follows, as `Rules::encode` writes it.
CREATE TABLE policy (
    id    INTEGER PRIMARY KEY CHECK (id = 1),
    rules BLOB NOT NULL
) STRICT;

-- Of a node: the keys of names that are not ASCII, as they came with the turns.
CREATE TABLE names (
    name TEXT PRIMARY KEY,
    keys TEXT NOT NULL
) STRICT, WITHOUT ROWID;
