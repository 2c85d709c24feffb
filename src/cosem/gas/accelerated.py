"""Detail and GERG-2008 by `pyaga8`, an extra: ``cosem[gas]`` brings it where it has a wheel."""

from __future__ import annotations

from importlib import import_module
from typing import Any, Final

from cosem.errors import ConfigError, NoSolution
from cosem.gas.aga8_detail import detail_shares, out_of_range
from cosem.gas.aga8_tables import R as R_DETAIL
from cosem.gas.composition import Composition
from cosem.gas.equation import Equation, Limits, Method, beyond

R_GERG: Final = 8.314472
"""Molar gas constant of GERG-2008 in J/(mol K)."""

NO_PYAGA8: Final = "needs pyaga8: install it with pip install 'cosem[gas]' (it has wheels for x86-64)"

_FIELDS: Final = {
    "carbon dioxide": "carbon_dioxide",
    "n-butane": "n_butane",
    "n-pentane": "n_pentane",
    "n-hexane": "hexane",
    "n-heptane": "heptane",
    "n-octane": "octane",
    "n-nonane": "nonane",
    "n-decane": "decane",
    "carbon monoxide": "carbon_monoxide",
    "hydrogen sulphide": "hydrogen_sulfide",
}


def available() -> bool:
    """Whether `pyaga8` is installed."""
    try:
        import_module("pyaga8")
    except ImportError:
        return False
    return True


class _Accelerated(Equation):
    _constant: float
    _flags: tuple[int, ...] = ()

    def __init__(self, composition: Composition, model: str) -> None:
        try:
            pyaga8 = import_module("pyaga8")
        except ImportError:
            raise ConfigError(f"method {self.method.value} {NO_PYAGA8}") from None
        shares, self._assigned = detail_shares(composition)
        mixture = pyaga8.Composition()
        for name, share in shares.items():
            setattr(mixture, _FIELDS.get(name, name), share)
        self._shares = shares
        self._model: Any = getattr(pyaga8, model)()
        try:
            self._model.set_composition(mixture)
        except Exception as error:  # its errors derive from Exception, each on its own
            raise NoSolution(f"pyaga8 refuses the composition: {error}") from None

    def _z(self, pressure: float, kelvin: float) -> float:
        model, ideal = self._model, pressure * 100 / (self._constant * kelvin)
        model.pressure, model.temperature = pressure * 100, kelvin
        try:
            model.calc_density(*self._flags)
        except Exception as error:
            raise NoSolution(f"{self.method.value} at {pressure:g} bar and {kelvin:g} K: {error}") from None
        density: float = model.d
        # Far from any gas it answers with densities that are none, without an error.
        return ideal / density if density > 0 else 0.0


class AcceleratedDetail(_Accelerated):
    """The detail equation of one gas, computed by `pyaga8`; ranges as `Aga8Detail`."""

    method = Method.AGA8_DETAIL
    limits = Limits(120.0, 263.0, 338.0)
    _constant = R_DETAIL

    def __init__(self, composition: Composition) -> None:
        super().__init__(composition, "Detail")
        self.gas_outside = out_of_range(self._shares, self._assigned)


class Gerg2008(_Accelerated):
    """GERG-2008 (ISO 20765-2:2015) of one gas, computed by `pyaga8`. Valid for 0 to 350 bar, 90 to 450 K.

    Any share of its 21 components is in range, hydrogen too. Raises ConfigError where `pyaga8` is not installed.
    """

    method = Method.GERG2008
    limits = Limits(350.0, 90.0, 450.0)
    _constant = R_GERG
    _flags = (0,)  # the gas root is looked for, the phase is not checked

    def __init__(self, composition: Composition) -> None:
        super().__init__(composition, "Gerg2008")
        self.gas_outside = beyond("components GERG-2008 has no parameters for", self._assigned, 0, 0.001)
