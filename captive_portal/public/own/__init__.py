"""What somebody who is signed in does alone: sessions, devices, password, mailbox, their data."""
