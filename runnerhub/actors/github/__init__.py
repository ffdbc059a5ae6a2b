"""The gateway to GitHub: credentials, one actor per rate-limit bucket, cache. `docs/github.md`."""
