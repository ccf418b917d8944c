"""The SQLite file: connection, group commit, migrations, integrity, lock, encryption."""
