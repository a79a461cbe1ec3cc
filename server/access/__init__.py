"""Who may call what: keys, tokens, scopes and quotas, decided in one place for every door."""
