-- A start finds the state as it was. Before, it decided some of it again.

-- The order in which a session entered its rooms. Rows of older versions have 0: such rooms are in the order of their ids.
ALTER TABLE members ADD COLUMN joined INTEGER NOT NULL DEFAULT 0;

-- Retention has removed every message below this number.
ALTER TABLE totals ADD COLUMN oldest INTEGER NOT NULL DEFAULT 0;
UPDATE totals SET oldest = ifnull((SELECT min(first) FROM chunks), iif(head = 0, 0, head + 1));
