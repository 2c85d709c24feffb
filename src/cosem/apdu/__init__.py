"""The APDUs of DLMS/COSEM: one file per service family, one table from tag to class."""
