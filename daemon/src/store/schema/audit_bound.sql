-- The audit log has a bound: of more than 500,000 lines the oldest go, however young they are, so that no flood of
-- lines fills the disk. As before, lines go that are older than a year and not among the newest 100,000.

DROP TRIGGER audit_is_kept;
CREATE TRIGGER audit_is_kept BEFORE DELETE ON audit
WHEN OLD.id > (SELECT min(id) FROM audit)
  OR OLD.id > (SELECT max(id) FROM audit) - 100000
  OR (OLD.id > (SELECT max(id) FROM audit) - 500000
      AND OLD.at >= (SELECT at FROM audit ORDER BY id DESC LIMIT 1) - 31622400000) -- 366 days
BEGIN SELECT RAISE(ABORT, 'the audit log is only added to'); END;

DROP TRIGGER audit_forgets;
CREATE TRIGGER audit_forgets AFTER INSERT ON audit
WHEN (SELECT min(id) FROM audit) <= NEW.id - 100000
BEGIN
    DELETE FROM audit WHERE id = (SELECT min(id) FROM audit)
        AND (id <= NEW.id - 500000 OR (id <= NEW.id - 100000 AND at < NEW.at - 31622400000));
    DELETE FROM audit WHERE id = (SELECT min(id) FROM audit)
        AND (id <= NEW.id - 500000 OR (id <= NEW.id - 100000 AND at < NEW.at - 31622400000));
END;
