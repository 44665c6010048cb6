-- A start finds the state as it was. Before, it decided some of it again.

-- The order in which a session entered its rooms. Rows of older versions have 0: such rooms are in the order of their ids.
ALTER TABLE members ADD COLUMN joined INTEGER NOT NULL DEFAULT 0;

-- Retention has removed every message below this number.
ALTER TABLE totals ADD COLUMN oldest INTEGER NOT NULL DEFAULT 0;
UPDATE totals SET oldest = ifnull((SELECT min(first) FROM chunks), iif(head = 0, 0, head + 1));

-- In whose share a mute or a ban in a room counts; NULL: in nobody's, as with those of operators and of users who moderated
-- the server when they wrote it. Of older versions that is not known: the roles of today decide.
ALTER TABLE mutes ADD COLUMN share TEXT;
ALTER TABLE bans ADD COLUMN share TEXT;
UPDATE mutes SET share = by WHERE room <> 0 AND by NOT LIKE 'operator (uid %'
    AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.room = 0 AND g.role IN ('moderator', 'owner')
                    AND g.user = mutes.by COLLATE NOCASE);
UPDATE bans SET share = by WHERE room <> 0 AND by NOT LIKE 'operator (uid %'
    AND NOT EXISTS (SELECT 1 FROM grants g WHERE g.room = 0 AND g.role IN ('moderator', 'owner')
                    AND g.user = bans.by COLLATE NOCASE);

-- The session has lost the right to be in the room, and is still to be taken out of it.
ALTER TABLE members ADD COLUMN lost INTEGER NOT NULL DEFAULT 0;

-- Sessions that have ended and are still in rooms: they leave them one after the other.
CREATE TABLE leaving (
    session INTEGER PRIMARY KEY,
    user    INTEGER NOT NULL,
    name    TEXT    NOT NULL,
    color   TEXT    NOT NULL,
    rooms   BLOB    NOT NULL -- their ids, 8 bytes each, the first byte the highest
) STRICT;

-- Slow work that a turn left for the next ones, in the order in which it is done. What was looked at and has more goes to
-- the end, so the numbers have no gap.
CREATE TABLE work (
    n           INTEGER PRIMARY KEY,
    kind        TEXT    NOT NULL,
    of          INTEGER NOT NULL, -- the user, session or room; 0: none
    after_major INTEGER, -- how far it has come: a number and a conversation, or a user and a session
    after_minor INTEGER,
    name        TEXT,
    reason      TEXT,
    sessions    BLOB -- as in leaving.rooms
) STRICT;
