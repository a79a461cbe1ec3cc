"""Where events are kept: schema, migrations, SQL, writer, readers and the embedded Postgres."""
