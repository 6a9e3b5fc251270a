-- The role of doors and workers: it cannot log in, owns nothing, and may do only what later steps grant (rule D-2).
-- Roles belong to the whole server: another database of it may have made this one, perhaps at this very moment.
DO $$
BEGIN
  IF NOT EXISTS (SELECT FROM pg_roles WHERE rolname = 'kanjo_service') THEN
    CREATE ROLE kanjo_service NOLOGIN;
  END IF;
EXCEPTION
  WHEN duplicate_object OR unique_violation THEN
    NULL;
END
$$;

-- Whoever migrates also runs the service: allow it to step down into the role.
DO $$
BEGIN
  IF NOT pg_has_role(current_user, 'kanjo_service', 'SET') THEN
    EXECUTE format('GRANT kanjo_service TO %I WITH SET TRUE', current_user);
  END IF;
END
$$;

GRANT USAGE ON SCHEMA kanjo TO kanjo_service;
GRANT SELECT ON kanjo.revision TO kanjo_service;
