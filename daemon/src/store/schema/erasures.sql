-- The users that are being erased, how far that has come, and what is left to be written with the new name.
CREATE TABLE erasures (
    id    INTEGER PRIMARY KEY, -- the number in the new name
    name  TEXT    NOT NULL,
    user  INTEGER,             -- NULL: all messages under the name are meant
    until INTEGER NOT NULL,    -- the newest message when it began
    stage INTEGER NOT NULL,
    below INTEGER NOT NULL,    -- everything of the stage from this number on is done
    audit      INTEGER, -- the newest line of the audit log when it began: later ones are the next user's
    redactions INTEGER, -- how many redactions there were then
    messages   INTEGER NOT NULL DEFAULT 0 -- the messages of the user that were found
) STRICT;
CREATE TABLE erasing (
    kind   INTEGER NOT NULL, -- 0: a message; 1: a line of the audit log
    of     INTEGER NOT NULL, -- its number
    fields INTEGER NOT NULL, -- those that get the new name, a bit each
    PRIMARY KEY (kind, of)
) STRICT, WITHOUT ROWID;

-- The audit log is only added to; but while a user is being erased, names and reasons in it may change.
DROP TRIGGER audit_stays;
CREATE TRIGGER audit_stays BEFORE UPDATE ON audit
WHEN NOT EXISTS (SELECT 1 FROM erasures)
  OR NEW.id IS NOT OLD.id OR NEW.at IS NOT OLD.at OR NEW.uid IS NOT OLD.uid OR NEW.did IS NOT OLD.did
  OR NEW.room IS NOT OLD.room OR NEW.what IS NOT OLD.what OR NEW.until IS NOT OLD.until
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;
