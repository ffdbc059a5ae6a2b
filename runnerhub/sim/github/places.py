"""Accounts, repositories, enterprises and runner groups."""

from runnerhub.sim.github.core import Core
from runnerhub.sim.github.refusals import invalid, not_found
from runnerhub.sim.github.things import Account, Group, Repository, Scope

DEFAULT_GROUP = 1


class Places:
    """Where things are."""

    def __init__(self, core: Core) -> None:
        self._core = core
        self._accounts: dict[str, Account] = {}
        self._repositories: dict[str, Repository] = {}
        self._enterprises: set[str] = set()
        self._groups: dict[Scope, dict[int, Group]] = {}

    def add_account(self, login: str, kind: str = "Organization") -> Account:
        """Return an account, which is made if it is not there."""
        found = self._accounts.get(login.lower())
        if found is None:
            found = Account(self._core.next_id("account"), login, kind, self._core.now())
            self._accounts[login.lower()] = found
        return found

    def add_repository(
        self, full_name: str, *, private: bool = True, owner_kind: str = "Organization"
    ) -> Repository:
        """Return a repository, which is made with its owner if it is not there.

        Raises:
            Refusal: 422, the name is not of the form owner/name.
        """
        found = self._repositories.get(full_name.lower())
        if found is not None:
            return found
        login, slash, name = full_name.partition("/")
        if not slash or not login or not name or "/" in name:
            raise invalid(f"{full_name!r} is not of the form owner/name")
        owner = self.add_account(login, owner_kind)
        now = self._core.now()
        number = self._core.next_id("repository")
        made = Repository(number, owner, name, private, now, pushed_at=now)
        self._repositories[full_name.lower()] = made
        return made

    def add_enterprise(self, slug: str) -> None:
        """Let an enterprise be there."""
        self._enterprises.add(slug.lower())

    def account(self, login: str) -> Account:
        """Return an account.

        Raises:
            Refusal: 404.
        """
        found = self._accounts.get(login.lower())
        if found is None:
            raise not_found()
        return found

    def organization(self, login: str) -> Account:
        """Return an organisation.

        Raises:
            Refusal: 404.
        """
        found = self.account(login)
        if found.kind != "Organization":
            raise not_found()
        return found

    def repository(self, owner: str, name: str) -> Repository:
        """Return a repository.

        Raises:
            Refusal: 404.
        """
        found = self._repositories.get(f"{owner}/{name}".lower())
        if found is None:
            raise not_found()
        return found

    def repositories(self, owner: str | None = None) -> list[Repository]:
        """Return all repositories, or those of an owner, by id."""
        return [
            each
            for each in self._repositories.values()
            if owner is None or each.owner.login.lower() == owner.lower()
        ]

    def scope(self, kind: str, name: str) -> Scope:
        """Return a scope that is there.

        Raises:
            Refusal: 404.
        """
        if kind == "repo":
            owner, _, repo = name.partition("/")
            return Scope("repo", self.repository(owner, repo).full_name)
        if kind == "org":
            return Scope("org", self.organization(name).login)
        if name.lower() not in self._enterprises:
            raise not_found()
        return Scope("enterprise", name.lower())

    def scope_of_url(self, url_path: str) -> Scope:
        """Return the scope that a URL such as https://HOST/acme/web is of, by its path.

        Raises:
            Refusal: 404.
        """
        parts = [part for part in url_path.split("/") if part]
        match parts:
            case ["enterprises", name]:
                return self.scope("enterprise", name)
            case [name]:
                return self.scope("org", name)
            case [owner, name]:
                return self.scope("repo", f"{owner}/{name}")
            case _:
                raise not_found()

    def groups(self, scope: Scope) -> dict[int, Group]:
        """Return the runner groups of a scope by number; a repository has only Default."""
        if scope not in self._groups:
            default = Group(DEFAULT_GROUP, "Default", scope, default=True)
            self._groups[scope] = {DEFAULT_GROUP: default}
        return self._groups[scope]

    def add_group(self, scope: Scope, name: str, visibility: str = "all") -> Group:
        """Make a runner group.

        Raises:
            Refusal: 409, the name is taken.
        """
        groups = self.groups(scope)
        if any(each.name == name for each in groups.values()):
            raise invalid(f"A runner group with the name {name} already exists")
        made = Group(
            self._core.next_id("group") + DEFAULT_GROUP, name, scope, visibility=visibility
        )
        groups[made.id] = made
        return made
