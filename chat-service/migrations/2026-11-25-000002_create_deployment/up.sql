-- One row: the deployment that this database belongs to. The services put its id into what they publish on Redis.
-- system_identifier and database_oid distinguish a database that was restored from a dump from the original.
CREATE TABLE deployment (
    is_only           boolean PRIMARY KEY DEFAULT true CHECK (is_only),
    id                uuid NOT NULL,
    created_at        timestamptz NOT NULL,
    system_identifier bigint,
    database_oid      oid NOT NULL
);
