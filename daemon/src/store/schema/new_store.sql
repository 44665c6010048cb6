-- The columns of `chunks` in the order in which a new store has them. SQLite reads a long row from its beginning, so the short
-- columns come before the lines. A migrated store keeps its rows as they are.
DROP TABLE chunks;
CREATE TABLE chunks (
    first        INTEGER PRIMARY KEY,
    last         INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    prev         INTEGER NOT NULL,
    ts           INTEGER NOT NULL,
    authors      BLOB,
    lines        BLOB    NOT NULL
) STRICT;
CREATE INDEX chunks_of ON chunks (conversation, last);
