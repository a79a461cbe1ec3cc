"""The table `analytics_events`: recent events as rows, for SQL and BI tools, copied from segments at their own pace."""
