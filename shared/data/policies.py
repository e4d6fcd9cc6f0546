"""Row-level security, written once: every tenant table is born with these policies.

Three roles that own nothing: `guardian_api` sees the one tenant of its transaction,
`guardian_operator` sees all tenants but may only change what is the operator's, `guardian_worker`
delivers for all. Row-level security is forced, so it binds the owner too.
"""

ROLES = ("guardian_api", "guardian_operator", "guardian_worker")

CURRENT_TENANT = "(SELECT NULLIF(current_setting('guardian.tenant_id', true), '')::uuid)"
"""A sub-select, so PostgreSQL computes it once per query; a reused connection holds `''`."""


def secure(
    table: str, *, api: str, operator: str = "SELECT", worker: str = "", tenant: str = "tenant_id"
) -> str:
    """The SQL that forces row-level security on `table` and grants each role what it may do.

    Args:
        table: the table's name.
        api: privileges of `guardian_api`, within the tenant of its transaction.
        operator: privileges of `guardian_operator`, across tenants.
        worker: privileges of `guardian_worker`, across tenants; empty for none.
        tenant: the column that names the tenant.
    """
    own = f"{tenant} = {CURRENT_TENANT}"
    statements = [
        f"ALTER TABLE {table} ENABLE ROW LEVEL SECURITY",
        f"ALTER TABLE {table} FORCE ROW LEVEL SECURITY",
        f"REVOKE ALL ON {table} FROM PUBLIC",
    ]
    for role, privileges, condition in (
        ("guardian_api", api, own),
        ("guardian_operator", operator, "true"),
        ("guardian_worker", worker, "true"),
    ):
        if privileges:
            check = f"USING ({condition}) WITH CHECK ({condition})"
            statements += [
                f"GRANT {privileges} ON {table} TO {role}",
                f"CREATE POLICY {role} ON {table} TO {role} {check}",
            ]
    return ";\n".join(statements) + ";\n"
