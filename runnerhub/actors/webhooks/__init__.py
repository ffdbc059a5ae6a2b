"""What becomes of GitHub's webhooks: taken in, worked on, and looked for where they are lost."""
