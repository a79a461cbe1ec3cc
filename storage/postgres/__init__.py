"""The database: connections, errors, schema, migrations, leases and snapshots."""
