"""Storages that a root can lie on."""
