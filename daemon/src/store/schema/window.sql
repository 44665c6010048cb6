-- The ids of the newest messages are part of the state: a start reads them, also those of messages that are removed.

-- The numbers of removed chunks whose ids stay until the state no longer knows them.
CREATE TABLE left_ids (
    first        INTEGER PRIMARY KEY,
    last         INTEGER NOT NULL,
    conversation INTEGER NOT NULL
) STRICT;
