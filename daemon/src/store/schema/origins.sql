-- Where a session is connected: the node, and one of its connections. NULL: it is away. Of older versions all are away.
ALTER TABLE sessions ADD COLUMN node INTEGER;
ALTER TABLE sessions ADD COLUMN connection INTEGER;

-- The same of a session that has ended, where it was connected then.
ALTER TABLE leaving ADD COLUMN node INTEGER;
ALTER TABLE leaving ADD COLUMN connection INTEGER;
