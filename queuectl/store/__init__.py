"""The LMDB environment: files, locks, transactions and the event log in it; the only rooms that know LMDB."""
