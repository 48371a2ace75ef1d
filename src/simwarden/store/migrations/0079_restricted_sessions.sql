-- A packet gateway may be asked to let no packets of a session pass in place of ending it (CoA-Request, RFC 5176).

alter table session add column restriction text check (restriction in ('ASKED', 'IN_FORCE'));
