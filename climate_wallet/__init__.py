"""The holder's side: keys, coins, sending, retiring; a daemon and the command line that talks to it."""
