"""Backup and restore: the register and its journal in one file that either database can be made from."""
