-- The room that takes a MSG without a target, for the messages after that number: one that is sent again later means that room.
CREATE TABLE IF NOT EXISTS default_rooms (
    after INTEGER PRIMARY KEY,
    room  INTEGER NOT NULL
) STRICT;
