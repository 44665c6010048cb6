-- The names of removed users, and when they were removed: certificates that were issued before count no more.
CREATE TABLE IF NOT EXISTS removed_users (
    name TEXT    PRIMARY KEY,
    at   INTEGER NOT NULL
) STRICT;
