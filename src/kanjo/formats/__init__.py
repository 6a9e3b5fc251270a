"""Formats: bytes to records and back, one sub-package per format.

Everything here is pure: streams are passed in, and no database, clock or file system is touched.
Start reading at `kanjo.formats.zengin`.
"""
