-- The audit log goes at its old end, and nowhere else: each line that is added may take the two oldest with it, if they
-- are older than a year and not among the newest 100,000. A flood of lines pushes out nothing of the last year,
-- and a clock that jumps ahead nothing of the newest 100,000.

DROP TRIGGER audit_is_kept;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
WHEN OLD.id > (SELECT min(id) FROM audit)
  OR OLD.id > (SELECT max(id) FROM audit) - 100000
  OR OLD.at >= (SELECT at FROM audit ORDER BY id DESC LIMIT 1) - 31622400000 -- 366 days
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;

CREATE TRIGGER audit_forgets AFTER INSERT ON audit
WHEN (SELECT min(id) FROM audit) <= NEW.id - 100000
BEGIN
    DELETE FROM audit WHERE id = (SELECT min(id) FROM audit) AND id <= NEW.id - 100000 AND at < NEW.at - 31622400000;
    DELETE FROM audit WHERE id = (SELECT min(id) FROM audit) AND id <= NEW.id - 100000 AND at < NEW.at - 31622400000;
END;
