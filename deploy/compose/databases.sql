-- The users' keys lie in a database of their own, and belong into backups of their own.
CREATE DATABASE tertulia_keys OWNER tertulia;
