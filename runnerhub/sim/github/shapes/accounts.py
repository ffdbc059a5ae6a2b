"""Accounts and repositories as JSON."""

from typing import Any

from runnerhub.sim.github.clock import iso
from runnerhub.sim.github.core import node_id
from runnerhub.sim.github.things import Account, Repository

_OF_USER = {
    "followers_url": "followers", "following_url": "following{/other_user}",
    "gists_url": "gists{/gist_id}", "starred_url": "starred{/owner}{/repo}",
    "subscriptions_url": "subscriptions", "organizations_url": "orgs", "repos_url": "repos",
    "events_url": "events{/privacy}", "received_events_url": "received_events",
}  # fmt: skip
_OF_REPOSITORY = {
    "archive_url": "{archive_format}{/ref}", "assignees_url": "assignees{/user}",
    "blobs_url": "git/blobs{/sha}", "branches_url": "branches{/branch}",
    "collaborators_url": "collaborators{/collaborator}", "comments_url": "comments{/number}",
    "commits_url": "commits{/sha}", "compare_url": "compare/{base}...{head}",
    "contents_url": "contents/{+path}", "contributors_url": "contributors",
    "deployments_url": "deployments", "downloads_url": "downloads", "events_url": "events",
    "forks_url": "forks", "git_commits_url": "git/commits{/sha}", "git_refs_url": "git/refs{/sha}",
    "git_tags_url": "git/tags{/sha}", "issue_comment_url": "issues/comments{/number}",
    "issue_events_url": "issues/events{/number}", "issues_url": "issues{/number}",
    "keys_url": "keys{/key_id}", "labels_url": "labels{/name}", "languages_url": "languages",
    "merges_url": "merges", "milestones_url": "milestones{/number}",
    "notifications_url": "notifications{?since,all,participating}",
    "pulls_url": "pulls{/number}", "releases_url": "releases{/id}",
    "stargazers_url": "stargazers", "statuses_url": "statuses/{sha}",
    "subscribers_url": "subscribers", "subscription_url": "subscription", "tags_url": "tags",
    "teams_url": "teams", "trees_url": "git/trees{/sha}", "hooks_url": "hooks",
}  # fmt: skip


def user(url: str, account: Account) -> dict[str, Any]:
    """Return a `simple-user`."""
    base = f"{url}/users/{account.login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id("User", account.id),
        "avatar_url": f"{url}/avatars/u/{account.id}?v=4",
        "gravatar_id": "",
        "url": base,
        "html_url": f"{url}/{account.login}",
        **{name: f"{base}/{path}" for name, path in _OF_USER.items()},
        "type": account.kind,
        "site_admin": False,
        "user_view_type": "public",
    }


def organization(url: str, account: Account) -> dict[str, Any]:
    """Return an `organization-simple`, as webhooks have it."""
    base = f"{url}/orgs/{account.login}"
    return {
        "login": account.login,
        "id": account.id,
        "node_id": node_id("Organization", account.id),
        "url": base,
        "repos_url": f"{base}/repos",
        "events_url": f"{base}/events",
        "hooks_url": f"{base}/hooks",
        "issues_url": f"{base}/issues",
        "members_url": f"{base}/members{{/member}}",
        "public_members_url": f"{base}/public_members{{/member}}",
        "avatar_url": f"{url}/avatars/u/{account.id}?v=4",
        "description": "",
    }


def organization_full(url: str, account: Account, repositories: int) -> dict[str, Any]:
    """Return an `organization-full`."""
    return organization(url, account) | {
        "has_organization_projects": False,
        "has_repository_projects": False,
        "public_repos": 0,
        "public_gists": 0,
        "followers": 0,
        "following": 0,
        "total_private_repos": repositories,
        "html_url": f"{url}/{account.login}",
        "type": account.kind,
        "created_at": iso(account.created_at),
        "updated_at": iso(account.created_at),
        "archived_at": None,
    }


def repository(url: str, repository: Repository) -> dict[str, Any]:
    """Return a `full-repository`, which is a `repository` and a `minimal-repository` as well."""
    base = f"{url}/repos/{repository.full_name}"
    html = f"{url}/{repository.full_name}"
    return {
        "id": repository.id,
        "node_id": node_id("Repository", repository.id),
        "name": repository.name,
        "full_name": repository.full_name,
        "private": repository.private,
        "owner": user(url, repository.owner),
        "html_url": html,
        "description": None,
        "fork": False,
        "url": base,
        **{name: f"{base}/{path}" for name, path in _OF_REPOSITORY.items()},
        "git_url": f"git:{html.partition(':')[2]}.git",
        "ssh_url": f"git@github.com:{repository.full_name}.git",
        "clone_url": f"{html}.git",
        "svn_url": html,
        "mirror_url": None,
        "homepage": None,
        "language": None,
        "license": None,
        **dict.fromkeys(("forks", "forks_count", "stargazers_count", "watchers_count"), 0),
        **dict.fromkeys(("watchers", "size", "open_issues", "open_issues_count"), 0),
        **dict.fromkeys(("subscribers_count", "network_count"), 0),
        "default_branch": repository.default_branch,
        "has_issues": True,
        "has_projects": False,
        "has_wiki": False,
        "has_pages": False,
        "has_downloads": True,
        "has_discussions": False,
        "archived": False,
        "disabled": False,
        "visibility": "private" if repository.private else "public",
        "is_template": False,
        "allow_forking": True,
        "web_commit_signoff_required": False,
        "topics": [],
        "permissions": {
            "admin": True,
            "maintain": True,
            "push": True,
            "triage": True,
            "pull": True,
        },
        "pushed_at": iso(repository.pushed_at),
        "created_at": iso(repository.created_at),
        "updated_at": iso(repository.pushed_at),
    }


def private_user(url: str, account: Account) -> dict[str, Any]:
    """Return a `private-user`: the caller's own account."""
    nothing = ("name", "company", "blog", "location", "email", "hireable", "bio")
    counts = ("public_repos", "public_gists", "followers", "following", "private_gists")
    private = ("total_private_repos", "owned_private_repos", "disk_usage", "collaborators")
    return user(url, account) | {
        **dict.fromkeys(nothing),
        **dict.fromkeys((*counts, *private), 0),
        "created_at": iso(account.created_at),
        "updated_at": iso(account.created_at),
        "two_factor_authentication": True,
        "user_view_type": "private",
    }
