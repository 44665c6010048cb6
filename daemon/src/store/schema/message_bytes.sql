-- How many bytes the messages take (`bytes::of_chunk`): what counts for `history.max_bytes`; what else the file holds
-- does not. NULL: not counted yet.
ALTER TABLE totals ADD COLUMN bytes INTEGER;
