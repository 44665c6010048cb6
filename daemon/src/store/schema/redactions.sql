-- Redactions, topics and read marks.

-- The authors of a chunk's messages: for each run of messages of one user, their number and the user, as varints (LEB128).
-- NULL: an older version wrote it, and nobody knows.
ALTER TABLE chunks ADD COLUMN authors BLOB;

-- The messages whose text was removed, in the order in which that happened: the search index follows it. A row goes with its
-- message.
CREATE TABLE redacted (
    seq INTEGER PRIMARY KEY,
    n   INTEGER NOT NULL
) STRICT;
CREATE UNIQUE INDEX redacted_by_n ON redacted (n);
-- How many there were in all.
ALTER TABLE totals ADD COLUMN redactions INTEGER NOT NULL DEFAULT 0;

-- What a room is for. NULL: it has no topic.
ALTER TABLE conversations ADD COLUMN topic TEXT;

-- Up to which number a registered user has read a conversation.
CREATE TABLE marks (
    user         INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    seq          INTEGER NOT NULL,
    PRIMARY KEY (user, conversation)
) STRICT, WITHOUT ROWID;
