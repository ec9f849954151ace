"""The messenger port: webhook, e-mail, Slack, Teams, ntfy. Each file owns one format; service chooses among them.

None of them carries anything that decides: only a link to a page where a person signs in.
"""
