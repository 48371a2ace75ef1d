-- Views of a list that a person has given names: the filters and columns of its address.

create table saved_view (
    id       text primary key,
    user_id  text not null references operator_user (id) on delete cascade,
    list     text not null,
    name     text not null,
    query    text not null,   -- as it stands in the address
    unique (user_id, list, name)
);
