-- The logs that this one was copied from, the oldest first, and which number was the newest in each copy. A client that comes
-- back after several restores still has the place in one of them.
CREATE TABLE IF NOT EXISTS ancestors (
    n     INTEGER PRIMARY KEY,
    log   BLOB    NOT NULL,
    until INTEGER NOT NULL
) STRICT;
