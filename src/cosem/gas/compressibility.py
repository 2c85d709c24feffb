"""Compressibility by any method: one way in, for a gas and a state."""

from __future__ import annotations

from typing import TYPE_CHECKING

from cosem.errors import ConfigError
from cosem.gas.characteristics import Characteristics
from cosem.gas.composition import Composition
from cosem.gas.equation import Compressibility, Equation, FixedZ, Method

if TYPE_CHECKING:
    from cosem.gas.aga8_gross import Reference

Gas = Composition | Characteristics

_NEED_COMPOSITION = (Method.AGA8_DETAIL, Method.GERG2008)


def equation(
    method: Method,
    gas: Gas | None = None,
    *,
    fixed: float = 1.0,
    reference: Reference | None = None,
    accelerated: bool | None = None,
) -> Equation:
    """Return the equation of `method` for one gas, to be asked for any number of states.

    Composition or characteristics; a composition serves every method (ISO 6976:2016 makes what it asks for),
    characteristics serve those that need no analysis. `fixed` is Z of the method `FIXED`; `reference` the conditions
    of the characteristics where they are not 25/0, for the gross methods (ConfigError with others). `accelerated`
    computes the detail equation by `pyaga8`: None where it is installed, False never (so that every machine computes
    the same to the last bit), True or ConfigError.
    """
    gross = method in (Method.AGA8_GROSS1, Method.AGA8_GROSS2)
    if reference is not None and not (gross and isinstance(gas, Characteristics)):
        raise ConfigError(f"method {method.value} takes no other reference conditions of figures than 25/0")
    if method is Method.FIXED:
        return FixedZ(fixed)
    if gas is None:
        raise ConfigError(f"method {method.value} needs a gas")
    if method in _NEED_COMPOSITION:
        if not isinstance(gas, Composition):
            raise ConfigError(f"method {method.value} needs a composition")
        return _by_composition(method, gas, accelerated)
    figures = Characteristics.of(gas) if isinstance(gas, Composition) else gas
    if method is Method.SGERG88:
        from cosem.gas.sgerg88 import Sgerg88

        return Sgerg88(figures)
    if method is Method.NX19:
        from cosem.gas.nx19 import Nx19

        return Nx19(figures)
    from cosem.gas.aga8_gross import AT_25_0, Gross1, Gross2

    made = Gross1 if method is Method.AGA8_GROSS1 else Gross2
    return made(figures, reference or AT_25_0)


def compressibility(
    method: Method,
    pressure: float,
    temperature: float,
    gas: Gas | None = None,
    *,
    fixed: float = 1.0,
    reference: Reference | None = None,
) -> Compressibility:
    """Return Z of a gas at an absolute pressure in bar and a temperature in °C, with what is out of range."""
    return equation(method, gas, fixed=fixed, reference=reference).at(pressure, temperature)


def _by_composition(method: Method, gas: Composition, accelerated: bool | None) -> Equation:
    from cosem.gas import accelerated as extra

    if method is Method.GERG2008:
        return extra.Gerg2008(gas)
    if accelerated or (accelerated is None and extra.available()):
        return extra.AcceleratedDetail(gas)
    from cosem.gas.aga8_detail import Aga8Detail

    return Aga8Detail(gas)
