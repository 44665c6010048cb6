-- From which network a name without an owner opened a room, for as long as the room is there.
CREATE TABLE IF NOT EXISTS opened (
    room    INTEGER PRIMARY KEY,
    network TEXT    NOT NULL
) STRICT;
