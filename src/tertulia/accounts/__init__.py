"""Accounts: who may use this server, how they prove it, and for how long that holds.

`service` is what transports and the command line call. Under it: `passwords` (argon2id) ·
`tokens` (access, JWT) · `refresh` (the cookie's) · `standing` (still in force?) · `throttle` ·
`email`.
"""

from tertulia.accounts.service import LOCAL_USER_ID, AccountService, Session

__all__ = ["LOCAL_USER_ID", "AccountService", "Session"]
