-- Version 1 of the log.

-- What a turn encoded for one conversation, as it was sent. The numbers first..last are all its
-- own: no other chunk has a number between them. So a chunk is found by any number in it.
CREATE TABLE chunks (
    first        INTEGER PRIMARY KEY,
    last         INTEGER NOT NULL,
    conversation INTEGER NOT NULL,
    prev         INTEGER NOT NULL, -- the number before `first` in the conversation, 0: none
    ts           INTEGER NOT NULL, -- milliseconds since 1970
    lines        BLOB    NOT NULL  -- MSG events, one line each
) STRICT;
-- By `last`, so that the chunk that a number lies in, or else the next one, is one step away.
CREATE INDEX chunks_of ON chunks (conversation, last);

CREATE TABLE conversations (
    id     INTEGER PRIMARY KEY,
    room   TEXT,    -- a room's name as it was typed
    user_a INTEGER, -- or the two users whose direct messages they are
    user_b INTEGER,
    head   INTEGER NOT NULL, -- the newest number, even if that message is gone
    CHECK ((room IS NULL) = (user_a IS NOT NULL) AND (user_a IS NULL) = (user_b IS NULL))
) STRICT;

CREATE TABLE sessions (
    id         INTEGER PRIMARY KEY,
    token_hash BLOB    NOT NULL,
    user       INTEGER NOT NULL,
    name       TEXT    NOT NULL,
    color      TEXT    NOT NULL
) STRICT;

CREATE TABLE members (
    session INTEGER NOT NULL,
    room    INTEGER NOT NULL,
    since   INTEGER NOT NULL, -- sees what comes after this number
    PRIMARY KEY (session, room)
) STRICT, WITHOUT ROWID;

-- What messages called themselves, by number: new ones go to the end, and those of one chunk lie
-- side by side and leave with it.
CREATE TABLE sent (
    seq     INTEGER PRIMARY KEY,
    session INTEGER NOT NULL,
    id      ANY     NOT NULL -- a text, or an unsigned number in the bits of a signed one
) STRICT;
-- The way back: of living sessions, all with numbers up to totals.sent_as_to, and a few more.
CREATE TABLE sent_as (
    session INTEGER NOT NULL,
    id      ANY     NOT NULL,
    seq     INTEGER NOT NULL,
    PRIMARY KEY (session, id)
) STRICT, WITHOUT ROWID;

-- What ended and has left rows behind that go in slices.
CREATE TABLE gone_conversations (id INTEGER PRIMARY KEY) STRICT;
CREATE TABLE gone_sessions (id INTEGER PRIMARY KEY) STRICT;

-- One row: what would cost a scan to know.
CREATE TABLE totals (
    store             BLOB    NOT NULL, -- random: which log this is
    head              INTEGER NOT NULL, -- the newest number on the server
    messages          INTEGER NOT NULL, -- how many are here
    last_conversation INTEGER NOT NULL, -- the highest ids ever given out
    last_session      INTEGER NOT NULL,
    sent_as_to        INTEGER NOT NULL
) STRICT;
INSERT INTO totals VALUES (randomblob(16), 0, 0, 0, 0, 0);
