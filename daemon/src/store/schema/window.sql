-- The ids of the newest messages are part of the state: a start reads them, also those of messages that are removed.

-- Where the message is. Rows of older versions have 0: the chunk of the number says it.
ALTER TABLE sent ADD COLUMN conversation INTEGER NOT NULL DEFAULT 0;

-- The numbers of removed chunks whose ids stay until the state no longer knows them.
CREATE TABLE left_ids (
    first INTEGER PRIMARY KEY,
    last  INTEGER NOT NULL
) STRICT;
