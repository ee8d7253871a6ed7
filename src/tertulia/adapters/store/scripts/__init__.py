"""Transaction scripts: what the store decides, written once for every SQL database.

Each script begins by locking the user's row where it counts or numbers anything, so that two of
one user never interleave; then the rows it decides on. (SQLite has one writer and needs neither.)
What is to be told after the commit is part of a script's result: see `Committed`.
"""
