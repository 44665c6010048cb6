-- Which log this is (random), and which number was its newest when it became this one. A backup's copy has no `log`: what is said
-- after a restore is not what was said after the backup, though it has the same numbers.
ALTER TABLE totals ADD COLUMN log BLOB;
ALTER TABLE totals ADD COLUMN log_from INTEGER;
UPDATE totals SET log = randomblob(16), log_from = head;
