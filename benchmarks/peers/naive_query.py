"""A naive twin of the query endpoint: FastAPI, pydantic, SQLAlchemy, one query a request, token verified each time.

Run by `benchmarks.twins` with uvicorn, one worker, in an environment of its own (requirements/bench.txt).
"""

# ruff: noqa: N815 - CAMARA names its properties so
# mypy: ignore-errors
# Its packages live in an environment of their own, which the type checker does not see.

from __future__ import annotations

import os
from typing import Annotated, Literal

import jwt
from fastapi import Depends, FastAPI, Header, HTTPException
from pydantic import BaseModel, Field
from sqlalchemy import String, select
from sqlalchemy.ext.asyncio import AsyncSession, async_sessionmaker, create_async_engine
from sqlalchemy.orm import DeclarativeBase, Mapped, mapped_column
from sqlalchemy.types import JSON

SECRET = os.environ["TWIN_SECRET"]
engine = create_async_engine(os.environ["TWIN_DATABASE_URL"], pool_size=10)
sessions = async_sessionmaker(engine, expire_on_commit=False)
app = FastAPI()


class Base(DeclarativeBase):
    pass


class Sim(Base):
    __tablename__ = "sim"
    bucket: Mapped[int] = mapped_column(primary_key=True)
    imsi: Mapped[str] = mapped_column(String, primary_key=True)
    account_id: Mapped[str]
    msisdn: Mapped[str | None]
    binding: Mapped[dict[str, object] | None] = mapped_column(JSON)


class Identifier(Base):
    __tablename__ = "sim_identifier"
    kind: Mapped[str] = mapped_column(primary_key=True)
    value: Mapped[str] = mapped_column(primary_key=True)
    bucket: Mapped[int]
    imsi: Mapped[str]


class Device(BaseModel):
    phoneNumber: str = Field(pattern=r"^\+[1-9][0-9]{4,14}$")


class Query(BaseModel):
    device: Device
    queryType: Literal["IMEIBIND", "AREALIMIT"]


class ImeiBind(BaseModel):
    bindImei: str | None = None
    bindStatus: Literal["BOUND", "UNBOUND"]


class Answer(BaseModel):
    imeiBind: ImeiBind


async def session() -> AsyncSession:
    async with sessions() as opened:
        yield opened


def account(authorization: Annotated[str, Header()]) -> str:
    try:
        claims = jwt.decode(authorization.removeprefix("Bearer "), SECRET, algorithms=["HS256"])
    except jwt.InvalidTokenError as error:
        raise HTTPException(401) from error
    return str(claims["account"])


@app.post("/query", response_model=Answer, response_model_exclude_none=True)
async def query(
    body: Query, owner: Annotated[str, Depends(account)], db: Annotated[AsyncSession, Depends(session)]
) -> Answer:
    statement = (
        select(Sim)
        .join(Identifier, (Identifier.bucket == Sim.bucket) & (Identifier.imsi == Sim.imsi))
        .where(Identifier.kind == "msisdn", Identifier.value == body.device.phoneNumber, Sim.account_id == owner)
    )
    sim = (await db.scalars(statement)).first()
    if sim is None:
        raise HTTPException(404)
    if sim.binding is None:
        return Answer(imeiBind=ImeiBind(bindStatus="UNBOUND"))
    values = sim.binding["values"]
    return Answer(imeiBind=ImeiBind(bindImei=values[0] if values else None, bindStatus="BOUND"))
