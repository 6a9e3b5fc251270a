-- The role itself stays: it belongs to the whole server, and other databases of it may use it.
REVOKE SELECT ON kanjo.revision FROM kanjo_service;
REVOKE USAGE ON SCHEMA kanjo FROM kanjo_service;
