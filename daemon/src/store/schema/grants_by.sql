-- In whose share a grant counts; NULL: in nobody's, as with those of operators.
ALTER TABLE grants ADD COLUMN by TEXT;
