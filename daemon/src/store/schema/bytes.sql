-- How many bytes the history may take: half of what was free on the disk when the store was first opened. NULL: not
-- measured yet, or copied from another disk.
ALTER TABLE totals ADD COLUMN max_bytes INTEGER;
