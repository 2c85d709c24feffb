"""Coefficients of the AGA8-92DC detail equation (ISO 12213-2:2006 annex B; AGA Report No. 8, 1994).

The figures are those of the NIST implementation, which is in the public domain; the layout is our own.
"""

from __future__ import annotations

from typing import Final, NamedTuple

R: Final = 8.31451
"""Molar gas constant of this equation in J/(mol K): an older one than that of ISO 6976:2016."""


class Term(NamedTuple):
    """One term: coefficient `a`, exponents of density `b`, of temperature `u`, `k` of density in the exponential.

    `kind` names the mixture parameter that scales it: G orientation, Q quadrupole, F high temperature, S dipole,
    W association, or nothing.
    """

    a: float
    b: int
    k: int
    u: float
    kind: str = ""


class Species(NamedTuple):
    """Pure-component parameters: molar mass in g/mol, energy E in K, size K in (m³/kmol)^(1/3), and G, Q, F, S, W."""

    mass: float
    energy: float
    size: float
    orientation: float = 0.0
    quadrupole: float = 0.0
    high_temperature: float = 0.0
    dipole: float = 0.0
    association: float = 0.0


class Pair(NamedTuple):
    """Binary interaction parameters of two components; 1 is no interaction beyond the combining rule."""

    energy: float = 1.0
    conformal: float = 1.0
    size: float = 1.0
    orientation: float = 1.0


TERMS: Final = (
    Term(0.1538326, 1, 0, 0),
    Term(1.341953, 1, 0, 0.5),
    Term(-2.998583, 1, 0, 1),
    Term(-0.04831228, 1, 0, 3.5),
    Term(0.3757965, 1, 0, -0.5, "G"),
    Term(-1.589575, 1, 0, 4.5, "G"),
    Term(-0.05358847, 1, 0, 0.5, "Q"),
    Term(0.88659463, 1, 0, 7.5, "S"),
    Term(-0.71023704, 1, 0, 9.5, "S"),
    Term(-1.471722, 1, 0, 6, "W"),
    Term(1.32185035, 1, 0, 12, "W"),
    Term(-0.78665925, 1, 0, 12.5, "W"),
    Term(2.29129e-9, 1, 3, -6, "F"),
    Term(0.1576724, 1, 2, 2),
    Term(-0.4363864, 1, 2, 3),
    Term(-0.04408159, 1, 2, 2, "Q"),
    Term(-0.003433888, 1, 4, 2),
    Term(0.03205905, 1, 4, 11),
    Term(0.02487355, 2, 0, -0.5),
    Term(0.07332279, 2, 0, 0.5),
    Term(-0.001600573, 2, 2, 0),
    Term(0.6424706, 2, 2, 4),
    Term(-0.4162601, 2, 2, 6),
    Term(-0.06689957, 2, 4, 21),
    Term(0.2791795, 2, 4, 23, "G"),
    Term(-0.6966051, 2, 4, 22, "Q"),
    Term(-0.002860589, 2, 4, -1, "F"),
    Term(-0.008098836, 3, 0, -0.5, "Q"),
    Term(3.150547, 3, 1, 7, "G"),
    Term(0.007224479, 3, 1, -1, "F"),
    Term(-0.7057529, 3, 2, 6),
    Term(0.5349792, 3, 2, 4, "G"),
    Term(-0.07931491, 3, 3, 1, "G"),
    Term(-1.418465, 3, 3, 9, "G"),
    Term(-5.99905e-17, 3, 4, -13, "F"),
    Term(0.1058402, 3, 4, 21),
    Term(0.03431729, 3, 4, 8, "Q"),
    Term(-0.007022847, 4, 0, -0.5),
    Term(0.02495587, 4, 0, 0),
    Term(0.04296818, 4, 2, 2),
    Term(0.7465453, 4, 2, 7),
    Term(-0.2919613, 4, 2, 9, "Q"),
    Term(7.294616, 4, 4, 22),
    Term(-9.936757, 4, 4, 23),
    Term(-0.005399808, 5, 0, 1),
    Term(-0.2432567, 5, 2, 9),
    Term(0.04987016, 5, 2, 3, "Q"),
    Term(0.003733797, 5, 4, 8),
    Term(1.874951, 5, 4, 23, "Q"),
    Term(0.002168144, 6, 0, 1.5),
    Term(-0.6587164, 6, 2, 5, "G"),
    Term(0.000205518, 7, 0, -0.5, "Q"),
    Term(0.009776195, 7, 2, 4),
    Term(-0.02048708, 8, 1, 7, "G"),
    Term(0.01557322, 8, 2, 3),
    Term(0.006862415, 8, 2, 0, "G"),
    Term(-0.001226752, 9, 2, 1),
    Term(0.002850908, 9, 2, 0, "Q"),
)
"""Terms 1 to 58; 1 to 18 make the second virial coefficient, 13 to 58 the rest."""

SPECIES: Final = {
    "methane": Species(16.043, 151.3183, 0.4619255),
    "nitrogen": Species(28.0135, 99.73778, 0.4479153, orientation=0.027815),
    "carbon dioxide": Species(44.01, 241.9606, 0.4557489, orientation=0.189065, quadrupole=0.69),
    "ethane": Species(30.07, 244.1667, 0.5279209, orientation=0.0793),
    "propane": Species(44.097, 298.1183, 0.583749, orientation=0.141239),
    "isobutane": Species(58.123, 324.0689, 0.6406937, orientation=0.256692),
    "n-butane": Species(58.123, 337.6389, 0.6341423, orientation=0.281835),
    "isopentane": Species(72.15, 365.5999, 0.6738577, orientation=0.332267),
    "n-pentane": Species(72.15, 370.6823, 0.6798307, orientation=0.366911),
    "n-hexane": Species(86.177, 402.636293, 0.7175118, orientation=0.289731),
    "n-heptane": Species(100.204, 427.72263, 0.7525189, orientation=0.337542),
    "n-octane": Species(114.231, 450.325022, 0.784955, orientation=0.383381),
    "n-nonane": Species(128.258, 470.840891, 0.8152731, orientation=0.427354),
    "n-decane": Species(142.285, 489.558373, 0.8437826, orientation=0.469659),
    "hydrogen": Species(2.0159, 26.95794, 0.3514916, orientation=0.034369, high_temperature=1),
    "oxygen": Species(31.9988, 122.7667, 0.4186954, orientation=0.021),
    "carbon monoxide": Species(28.01, 105.5348, 0.4533894, orientation=0.038953),
    "water": Species(
        18.0153, 514.0156, 0.3825868, orientation=0.3325, quadrupole=1.06775, dipole=1.5822, association=1
    ),
    "hydrogen sulphide": Species(34.082, 296.355, 0.4618263, orientation=0.0885, quadrupole=0.633276, dipole=0.39),
    "helium": Species(4.0026, 2.610111, 0.3589888),
    "argon": Species(39.948, 119.6299, 0.4216551),
}

PAIRS: Final = {
    ("methane", "nitrogen"): Pair(energy=0.97164, conformal=0.886106, size=1.00363),
    ("methane", "carbon dioxide"): Pair(energy=0.960644, conformal=0.963827, size=0.995933, orientation=0.807653),
    ("methane", "propane"): Pair(energy=0.994635, conformal=0.990877, size=1.007619),
    ("methane", "isobutane"): Pair(energy=1.01953),
    ("methane", "n-butane"): Pair(energy=0.989844, conformal=0.992291, size=0.997596),
    ("methane", "isopentane"): Pair(energy=1.00235),
    ("methane", "n-pentane"): Pair(energy=0.999268, conformal=1.00367, size=1.002529),
    ("methane", "n-hexane"): Pair(energy=1.107274, conformal=1.302576, size=0.982962),
    ("methane", "n-heptane"): Pair(energy=0.88088, conformal=1.191904, size=0.983565),
    ("methane", "n-octane"): Pair(energy=0.880973, conformal=1.205769, size=0.982707),
    ("methane", "n-nonane"): Pair(energy=0.881067, conformal=1.219634, size=0.981849),
    ("methane", "n-decane"): Pair(energy=0.881161, conformal=1.233498, size=0.980991),
    ("methane", "hydrogen"): Pair(energy=1.17052, conformal=1.15639, size=1.02326, orientation=1.95731),
    ("methane", "carbon monoxide"): Pair(energy=0.990126),
    ("methane", "water"): Pair(energy=0.708218),
    ("methane", "hydrogen sulphide"): Pair(energy=0.931484, conformal=0.736833, size=1.00008),
    ("nitrogen", "carbon dioxide"): Pair(energy=1.02274, conformal=0.835058, size=0.982361, orientation=0.982746),
    ("nitrogen", "ethane"): Pair(energy=0.97012, conformal=0.816431, size=1.00796),
    ("nitrogen", "propane"): Pair(energy=0.945939, conformal=0.915502),
    ("nitrogen", "isobutane"): Pair(energy=0.946914),
    ("nitrogen", "n-butane"): Pair(energy=0.973384, conformal=0.993556),
    ("nitrogen", "isopentane"): Pair(energy=0.95934),
    ("nitrogen", "n-pentane"): Pair(energy=0.94552),
    ("nitrogen", "hydrogen"): Pair(energy=1.08632, conformal=0.408838, size=1.03227),
    ("nitrogen", "oxygen"): Pair(energy=1.021),
    ("nitrogen", "carbon monoxide"): Pair(energy=1.00571),
    ("nitrogen", "water"): Pair(energy=0.746954),
    ("nitrogen", "hydrogen sulphide"): Pair(energy=0.902271, conformal=0.993476, size=0.942596),
    ("carbon dioxide", "ethane"): Pair(energy=0.925053, conformal=0.96987, size=1.00851, orientation=0.370296),
    ("carbon dioxide", "propane"): Pair(energy=0.960237),
    ("carbon dioxide", "isobutane"): Pair(energy=0.906849),
    ("carbon dioxide", "n-butane"): Pair(energy=0.897362),
    ("carbon dioxide", "isopentane"): Pair(energy=0.726255),
    ("carbon dioxide", "n-pentane"): Pair(energy=0.859764),
    ("carbon dioxide", "n-hexane"): Pair(energy=0.855134, conformal=1.066638, size=0.910183),
    ("carbon dioxide", "n-heptane"): Pair(energy=0.831229, conformal=1.077634, size=0.895362),
    ("carbon dioxide", "n-octane"): Pair(energy=0.80831, conformal=1.088178, size=0.881152),
    ("carbon dioxide", "n-nonane"): Pair(energy=0.786323, conformal=1.098291, size=0.86752),
    ("carbon dioxide", "n-decane"): Pair(energy=0.765171, conformal=1.108021, size=0.854406),
    ("carbon dioxide", "hydrogen"): Pair(energy=1.28179),
    ("carbon dioxide", "carbon monoxide"): Pair(energy=1.5, conformal=0.9),
    ("carbon dioxide", "water"): Pair(energy=0.849408, orientation=1.67309),
    ("carbon dioxide", "hydrogen sulphide"): Pair(energy=0.955052, conformal=1.04529, size=1.00779),
    ("ethane", "propane"): Pair(energy=1.02256, conformal=1.065173, size=0.986893),
    ("ethane", "isobutane"): Pair(conformal=1.25),
    ("ethane", "n-butane"): Pair(energy=1.01306, conformal=1.25),
    ("ethane", "isopentane"): Pair(conformal=1.25),
    ("ethane", "n-pentane"): Pair(energy=1.00532, conformal=1.25),
    ("ethane", "hydrogen"): Pair(energy=1.16446, conformal=1.61666, size=1.02034),
    ("ethane", "water"): Pair(energy=0.693168),
    ("ethane", "hydrogen sulphide"): Pair(energy=0.946871, conformal=0.971926, size=0.999969),
    ("propane", "n-butane"): Pair(energy=1.0049),
    ("propane", "hydrogen"): Pair(energy=1.034787),
    ("isobutane", "hydrogen"): Pair(energy=1.3),
    ("n-butane", "hydrogen"): Pair(energy=1.3),
    ("n-hexane", "hydrogen sulphide"): Pair(energy=1.008692, conformal=1.028973, size=0.96813),
    ("n-heptane", "hydrogen sulphide"): Pair(energy=1.010126, conformal=1.033754, size=0.96287),
    ("n-octane", "hydrogen sulphide"): Pair(energy=1.011501, conformal=1.038338, size=0.957828),
    ("n-nonane", "hydrogen sulphide"): Pair(energy=1.012821, conformal=1.042735, size=0.952441),
    ("n-decane", "hydrogen sulphide"): Pair(energy=1.014089, conformal=1.046966, size=0.948338),
    ("hydrogen", "carbon monoxide"): Pair(energy=1.1),
}
