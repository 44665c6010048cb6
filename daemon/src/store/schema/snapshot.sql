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
