-- The lines of a chunk are packed (`store/packed.rs`). Rows of older versions stay as they are, and are read as well; but an older
-- version would send a packed row as it is. So it must not open this store.

-- What a chunk takes besides its lines counts for less: the start counts all of them again.
UPDATE totals SET bytes = NULL;
