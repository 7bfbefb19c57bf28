"""The reports that the cleaner is judged by.

Written before the cleaner and never read while its rules were made; `tuning.py` is for that.
"""

import datetime as dt
import json
import random
from collections.abc import Callable
from pathlib import Path

from sightline.deid.known_identifiers import KnownIdentifiers
from tests.deid.reports.generating import Case, Filled, Report, report_of

_NAMES = json.loads(Path(__file__).with_name("judging_names.json").read_text(encoding="utf-8"))
_SEED = 77_000
Slot = Callable[[random.Random], Filled]

_MONTHS = {
    "en": "January February March April May June July August September October November December",
    "de": "Januar Februar März April Mai Juni Juli August September Oktober November Dezember",
}
_DAYS = {
    "en": "Monday Tuesday Wednesday Thursday Friday Saturday Sunday",
    "de": "Montag Dienstag Mittwoch Donnerstag Freitag Samstag Sonntag",
}
_ENGLISH_TOWNS = (
    *("Harrowfield", "Stanbury", "Kettlewick", "Ashcombe", "Brightwater", "Lindenhurst"),
    *("Maple Falls", "Port Ellery", "North Wexley", "Cedar Ridge", "Dunmore", "Tilbury Cross"),
)
_ENGLISH_STREETS = (
    *("Orchard Lane", "Station Road", "Wellington Street", "Elm Avenue", "Kings Drive"),
    *("Harbour View Road", "Chestnut Court", "Mill Close", "Fifth Avenue", "Old Quarry Way"),
)
_GERMAN_STREETS = (
    *("Lindenallee", "Bahnhofstraße", "Kirchweg", "Goethestr.", "Am Mühlbach", "Alte Gasse"),
    *("Schillerplatz", "Breslauer Straße", "Rosenweg", "Hindenburgring", "Birkenstr."),
)
_ENGLISH_HOSPITALS = (
    *("St. Brendan's Hospital", "Lakeview Medical Center", "Royal Stanbury Infirmary"),
    *("Mercy Ridge Hospital", "Ashcombe General Hospital", "Holy Trinity Clinic"),
    *("University Hospital of Brightwater", "Wexley Community Hospital"),
)
_GERMAN_HOSPITALS = (
    *("Klinikum Neuwalde", "St.-Barbara-Krankenhaus", "Kreisklinik Ahrental"),
    *("Universitätsklinikum Wiesbach", "Marienhospital Osterfelde", "Helios Klinikum Brandau"),
    *("Krankenhaus der Barmherzigen Brüder", "MVZ Radiologie Nordtal"),
)


def judging_reports(count: int) -> list[Report]:
    """Make reports, every second one German."""
    made = []
    for number in range(count):
        chance = random.Random(_SEED + number)  # noqa: S311 - repeatable
        language = "de" if number % 2 else "en"
        case = _case(chance, language)
        made.append(report_of(_templates(chance, language), case, chance, language=language))
    return made


def _case(chance: random.Random, language: str) -> Case:
    stem = "german" if language == "de" else "english"
    given, family = _NAMES[f"{stem}_given"], _NAMES[f"{stem}_family"]
    first, middle = chance.sample(given, 2)
    last, referrer = chance.sample(family, 2)
    if chance.random() < 1 / 8:
        last = f"{last}-{chance.choice(family)}"
    elif chance.random() < 1 / 10:
        ordinary = ("Klein", "Winter", "Berg", "Kurz", "Lang")
        last = chance.choice(ordinary if language == "de" else ("Young", "Baker", "Short", "Gray"))
    birth = dt.date(chance.randint(1935, 2004), chance.randint(1, 12), chance.randint(1, 28))
    number = str(chance.randint(100000, 99999999))
    accession = chance.choice(("A{}", "RX-{}", "{}", "24-{}")).format(chance.randint(10**6, 10**8))
    hospital = chance.choice(_GERMAN_HOSPITALS if language == "de" else _ENGLISH_HOSPITALS)
    street, town = _street(chance, language), _town(chance, language)
    phone = _phone(chance, language)
    referrer_first = chance.choice(given)
    record = KnownIdentifiers(
        names=(f"{last}^{first}^{middle}",),
        people=(f"{referrer}^{referrer_first}^^Dr.",),
        ids=(number, accession),
        birth_dates=(birth.strftime("%Y%m%d"),),
        phones=(phone,),
        addresses=(street,),
        places=(town,),
        institutions=(hospital,),
    )

    def known(kind: str, *forms: str) -> Slot:
        return lambda chance: Filled(chance.choice(forms), kind, is_known=True)

    def other(kind: str, make: Callable[[random.Random, str], str]) -> Slot:
        return lambda chance: Filled(make(chance, language), kind, is_known=False)

    def person(chance: random.Random, _: str) -> str:
        one = chance.choice(family)
        forms = (one, one, f"{chance.choice(given)} {one}", f"{chance.choice(given)[0]}. {one}")
        return chance.choice(forms)

    slots: dict[str, Slot] = {
        "patient": known("patient", f"{last}, {first}", f"{first} {last}", f"{last} {first}"),
        "patient_full": known("patient", f"{first} {middle} {last}", f"{first} {last}"),
        "patient_last": known("patient", last, last, _plain(last), _misspelt(last, chance)),
        "patient_first": known("patient", first),
        "birth": known("birth", *_written(birth, language)),
        "id": known("id", number),
        "accession": known("id", accession),
        "street": known("address", street),
        "town": known("place", town),
        "phone": known("phone", phone),
        "ref": known("physician", referrer, referrer, f"{referrer_first} {referrer}"),
        "hospital": known("institution", hospital),
        "doctor": other("physician", person),
        "doctor_last": other("physician", lambda chance, _: chance.choice(family)),
        "doctor_full": other(
            "physician", lambda chance, _: f"{chance.choice(given)} {chance.choice(family)}"
        ),
        "date": other("date", _date),
        "month_year": other("date", _month_year),
        "weekday_date": other("date", _weekday_date),
        "xphone": other("phone", _phone),
        "email": other(
            "email",
            lambda chance, _: (
                f"{_ascii(chance.choice(given))}.{_ascii(chance.choice(family))}@praxis-nord.example"
            ),
        ),
        "xhospital": other(
            "institution",
            lambda chance, language: chance.choice(
                _GERMAN_HOSPITALS if language == "de" else _ENGLISH_HOSPITALS
            ),
        ),
        "xstreet": other("address", _street),
        "xtown": other("place", _town),
        "xid": other("id", lambda chance, _: chance.choice(
            (f"{chance.randint(10**7, 10**9)}", f"MR{chance.randint(10**5, 10**7)}",
             f"{chance.randint(10, 99)}-{chance.randint(10**5, 10**6)}")
        )),
        "old": other("age", lambda chance, _: str(chance.randint(90, 104))),
        "room": other("ward", lambda chance, _: f"{chance.randint(1, 9)}{chance.choice('ABC')}"),
    }  # fmt: skip
    return Case(slots, record)


def _ascii(name: str) -> str:
    return _plain(name).lower().encode("ascii", "ignore").decode()


def _plain(name: str) -> str:
    for one, other in (
        ("ä", "ae"),
        ("ö", "oe"),
        ("ü", "ue"),
        ("ß", "ss"),
        ("Ö", "Oe"),
        ("Ü", "Ue"),
    ):
        name = name.replace(one, other)
    return name


def _misspelt(name: str, chance: random.Random) -> str:
    """Leave out, double or exchange a letter of a long name."""
    if len(name) < 8 or "-" in name:
        return name
    at = chance.randint(2, len(name) - 2)
    return chance.choice(
        (
            name[:at] + name[at + 1 :],
            name[:at] + name[at] + name[at:],
            name[:at] + chance.choice("aeinrst") + name[at + 1 :],
        )
    )


def _day(chance: random.Random) -> dt.date:
    return dt.date(chance.randint(2008, 2025), chance.randint(1, 12), chance.randint(1, 28))


def _written(day: dt.date, language: str) -> tuple[str, ...]:
    month = _MONTHS[language].split()[day.month - 1]
    if language == "de":
        return (
            day.strftime("%d.%m.%Y"),
            f"{day.day}.{day.month}.{day.year}",
            day.strftime("%d.%m.%y"),
            f"{day.day}. {month} {day.year}",
            day.isoformat(),
        )
    end = {1: "st", 2: "nd", 3: "rd", 21: "st", 22: "nd", 23: "rd"}.get(day.day, "th")
    return (
        day.strftime("%m/%d/%Y"),
        f"{day.month}/{day.day}/{day:%y}",
        f"{month} {day.day}, {day.year}",
        f"{month} {day.day}{end}, {day.year}",
        f"{day.day} {month[:3]} {day.year}",
        day.isoformat(),
        f"the {day.day}{end} of {month} {day.year}",
        f"{day.day:02}-{month[:3]}-{day.year}",
    )


def _date(chance: random.Random, language: str) -> str:
    return chance.choice(_written(_day(chance), language))


def _month_year(chance: random.Random, language: str) -> str:
    day = _day(chance)
    name = _MONTHS[language].split()[day.month - 1]
    return chance.choice((f"{name} {day.year}", f"{day.month:02}/{day.year}"))


def _weekday_date(chance: random.Random, language: str) -> str:
    day = _day(chance)
    name = _DAYS[language].split()[day.weekday()]
    month = _MONTHS[language].split()[day.month - 1]
    if language == "de":
        return f"{name}, den {day.day}. {month} {day.year}"
    return f"{name}, {month} {day.day}, {day.year}"


def _street(chance: random.Random, language: str) -> str:
    if language == "de":
        return f"{chance.choice(_GERMAN_STREETS)} {chance.randint(1, 180)}{chance.choice(['', '', 'a'])}"
    return f"{chance.randint(1, 1999)} {chance.choice(_ENGLISH_STREETS)}"


def _town(chance: random.Random, language: str) -> str:
    if language == "de":
        return f"{chance.randint(10115, 99998)} {chance.choice(_NAMES['german_towns'])}"
    town = chance.choice(_ENGLISH_TOWNS)
    state = chance.choice(("NY", "OH", "TX", "MA"))
    return chance.choice(
        (
            f"{town}, {state} {chance.randint(10001, 99950)}",
            (
                f"{town} {chance.choice(('LS', 'BN', 'YO'))}{chance.randint(1, 28)} "
                f"{chance.randint(1, 9)}{chance.choice(('QT', 'HD', 'BW'))}"
            ),
        )
    )


def _phone(chance: random.Random, language: str) -> str:
    first, second = chance.randint(200, 989), chance.randint(1000, 9999)
    if language == "de":
        return chance.choice(
            (
                f"0{first}/{second}{chance.randint(10, 99)}",
                f"+49 {first} {second}{chance.randint(10, 999)}",
                f"0{first} {second}-{chance.randint(10, 99)}",
                f"0{first}-{second}{chance.randint(100, 999)}",
            )
        )
    middle = chance.randint(200, 999)
    return chance.choice(
        (
            f"({first}) {middle}-{second}",
            f"{first}-{middle}-{second}",
            f"+1 {first} {middle} {second}",
            f"01{first} {chance.randint(100000, 999999)}",
        )
    )


def _templates(chance: random.Random, language: str) -> list[str]:
    parts = _GERMAN if language == "de" else _ENGLISH
    return [
        chance.choice(parts["head"]) + "\n",
        " ".join(chance.sample(parts["history"], 2)) + "\n",
        chance.choice(parts["technique"]) + "\n",
        chance.choice(parts["prior"]) + "\n",
        " ".join(chance.sample(parts["findings"], 7)) + "\n",
        " ".join(chance.sample(parts["impression"], 2)) + "\n",
        chance.choice(parts["note"]) + "\n",
        chance.choice(parts["closing"]) + "\n",
    ]


_ENGLISH: dict[str, tuple[str, ...]] = {
    "head": (
        "{hospital}\nDepartment of Radiology\nPatient Name: {patient}\nMRN: {id}\nDOB: {birth}\nAccession Number: {accession}\nExam date: {date}\n",
        "RADIOLOGY REPORT\nNAME: {patient}    DATE OF BIRTH: {birth}\nHospital number {id}\nReferring Physician: Dr. {ref}\n",
        "Re: {patient_full}, born {birth}\n{street}\n{town}\nTel: {phone}\n\nDear Dr. {ref},\n\nThank you for referring this pleasant patient.",
        "CT of the abdomen and pelvis, performed on {date} (acc. {accession}).\nPatient: {patient} ({id})\n",
        "Dear Colleague,\nRe: {patient} DOB {birth}, {street}, {town}\n",
        "EXAMINATION: MRI lumbar spine\nDATE: {date}\nORDERED BY: {doctor_full}, MD\nPATIENT: {patient}, ID {id}\n",
        "{hospital} | Imaging Services | Phone {xphone}\nStudy: Chest radiograph, two views\nPatient {patient_full}; MRN {id}.",
        "SURGICAL PATHOLOGY REPORT\nPatient: {patient}\nSpecimen received {date}\nSubmitting physician: {doctor_full}, M.D.\nCase number: {xid}",
        "Mammography report\nMs. {patient_last} attended on {weekday_date}. Chart no. {id}.",
    ),
    "history": (
        "HISTORY: <31-88>-year-old with persistent cough.",
        "Mr. {patient_last} was seen in clinic on {date} by Dr. {doctor_last} for worsening back pain.",
        "Clinical information: {old}-year-old woman with a fall at home.",
        "INDICATION: Known Crohn disease, surgery in {month_year} at {xhospital}.",
        "Mrs {patient_last}'s daughter, {doctor_full}, reports increasing confusion.",
        "The patient was transferred from {xhospital} on {date} for further care.",
        "Status post right hemicolectomy {month_year}. Rule out recurrence.",
        "Dr. {doctor} requests evaluation of a pulmonary nodule.",
        "{patient_first} has a history of Hodgkin lymphoma, in remission since {month_year}.",
        "Smoker, 40 pack years. Chronic renal insufficiency, creatinine 1.8 mg/dl.",
        "He lives at {xstreet}, {xtown} and can be reached at {xphone}.",
        "Pain after trauma. Evaluate for fracture.",
    ),
    "technique": (
        "TECHNIQUE: Helical CT with 100 ml Omnipaque 350 in the portal venous phase, 1.25 mm reconstructions.",
        "Sagittal T1 and T2, axial T2 and STIR sequences. Gadavist 7.5 ml was given without complication.",
        "Two views of the chest, PA and lateral.",
        "Real-time grayscale and color Doppler ultrasound was performed with a curved transducer.",
        "Standard CC and MLO views with tomosynthesis.",
        "Multiplanar images, 3 mm slices, series 4, images 12 to 88. DLP 412 mGy*cm.",
    ),
    "prior": (
        "COMPARISON: CT dated {date} and MRI from {month_year}.",
        "COMPARISON: None available.",
        "Compared with the outside study from {xhospital} dated {date}.",
        "Comparison is made with the examination of {date}, read by Dr. {doctor_last}.",
        "Prior: {weekday_date}.",
        "Comparison: {date}, {date}.",
    ),
    "findings": (
        "There is a 12 x 8 mm nodule in the right upper lobe (series 3, image 45).",
        "The liver is normal in size and attenuation, without focal lesion.",
        "Mild degenerative changes at L4/5 and L5/S1 with a broad-based disc protrusion.",
        "No pleural effusion or pneumothorax.",
        "Baker cyst in the popliteal fossa measuring 3.2 cm.",
        "Kerley B lines are present bilaterally, consistent with interstitial edema.",
        "The Swan-Ganz catheter tip projects over the right pulmonary artery.",
        "A Foley catheter is in place; the bladder is decompressed.",
        "Heberden nodes and Bouchard nodes are seen in the second digit.",
        "No free fluid in the pouch of Douglas.",
        "Ejection fraction 55 %. Peak velocity 1.2 m/s.",
        "Scattered fibroglandular densities, BI-RADS 2.",
        "The appendix is normal, measuring 5 mm in diameter.",
        "Attenuation of the left adrenal nodule is 8 HU, in keeping with an adenoma.",
        "Signal alteration in Hoffa's fat pad. The Achilles tendon is intact.",
        "Moderately differentiated adenocarcinoma, pT2 pN1a (2/14), Gleason score 3+4=7.",
        "The ventricles and sulci are age appropriate. Fazekas grade 1 white matter changes.",
        "No evidence of deep venous thrombosis; normal Virchow triad risk factors are absent.",
        "Findings in keeping with Paget disease of the left hemipelvis.",
        "Resection margins are free, closest margin 3 mm.",
        "Degenerative tear of the medial meniscus, Osgood-Schlatter changes at the tibial tubercle.",
        "The duct of Wirsung is not dilated.",
        "Heart size is within normal limits. Mediastinal contours are unremarkable.",
        "Segment VII lesion of 15 mm with arterial enhancement and washout, LI-RADS 5.",
        "No acute intracranial hemorrhage, mass effect or midline shift.",
    ),
    "impression": (
        "IMPRESSION: 1. No acute abnormality.",
        "2. Stable right upper lobe nodule since {date}.",
        "Impression: Findings discussed with Dr. {doctor_last} by telephone at 14:35 on {date}.",
        "CONCLUSION: Probable benign finding; follow-up in 6 months is recommended.",
        "Results were communicated to {doctor_full}, RN, at 9:10 am.",
        "Compared with {month_year}, the mass has increased from 21 to 34 mm.",
        "I spoke with {doctor_full} about these findings.",
        "OPINION: Ms {patient_last} should be reviewed by Professor {doctor_last}.",
    ),
    "note": (
        "Images were sent to {xhospital}.",
        "The patient's next appointment is on {weekday_date} at 10:30.",
        "Please contact me at {xphone} or {email}.",
        "Currently on ward {room}, bed 3.",
        "Insurance ID: {xid}",
        "No further imaging is needed at present.",
        "{patient_last} tolerated the procedure well.",
        "Discussed at the tumor board, present: Drs. {doctor_last}, {doctor_last} and {doctor_last}.",
    ),
    "closing": (
        "Electronically signed by: {doctor_full}, MD\nDate: {date} 16:42",
        "Dictated by: Dr. {doctor}\nTranscribed: {date}\nSigned: {doctor_full}",
        "Yours sincerely,\n\nDr {doctor_full}\nConsultant Radiologist\n{hospital}\ncc: {patient_full}, {street}, {town}",
        "Reading radiologist: {doctor}. Resident: {doctor}.",
        "cc: Dr. {ref}; Dr. {doctor}; {doctor_full}, NP",
        "I, {doctor_full}, have personally reviewed the images and agree with the above.",
        "With kind regards,\n{doctor_full} FRCR\nDirect line {xphone}",
        "Attending: {doctor_last}/Fellow: {doctor_last}\nFinal report {date}",
    ),
}

_GERMAN: dict[str, tuple[str, ...]] = {
    "head": (
        "{hospital}\nInstitut für Diagnostische und Interventionelle Radiologie\nPatient: {patient}, geb. {birth}\nPat.-Nr.: {id}\nUntersuchung vom {date}, Auftragsnummer {accession}\n",
        "Sehr geehrte Frau Kollegin {doctor_last},\n\nwir berichten über Ihre Patientin {patient_full}, geb. am {birth}, wohnhaft {street}, {town}.\n",
        "Herrn\nDr. med. {ref}\n{xstreet}\n{xtown}\n\nBetr.: {patient}, * {birth}\n",
        "BEFUND\nName: {patient}\nGeburtsdatum: {birth}\nFallnummer: {id}\nZuweiser: Dr. {ref}\nDatum: {date}\n",
        "MRT der LWS vom {date}\nPatient/in: {patient} (ID {id})\nTelefon: {phone}\n",
        "Sehr geehrter Herr Dr. {ref},\nvielen Dank für die freundliche Zuweisung von Frau {patient_last}, geboren am {birth}.\n",
        "Pathologisch-anatomische Begutachtung\nE-Nr. {xid}\nEinsender: {doctor_full}\nEingang: {date}\nPat.: {patient}\n",
        "{hospital} · Tel. {xphone} · Fax {xphone}\nMammographie beidseits vom {date}\n{patient}, {birth}, {street}, {town}\n",
    ),
    "history": (
        "Klinische Angaben: Z.n. Hemikolektomie rechts {month_year}, Rezidiv?",
        "Herr {patient_last} stellte sich am {date} in der Notaufnahme vor.",
        "Anamnese: {old}-jähriger Patient mit Sturz auf die rechte Hüfte.",
        "Frau {patient_last} wird von Dr. {doctor_last} zur Abklärung eines Lungenrundherdes überwiesen.",
        "Bekannter Morbus Crohn, OP im {month_year} im {xhospital}.",
        "Verlegung aus {xhospital} am {date} bei unklarem Fieber.",
        "Die Tochter, Frau {doctor_full}, ist unter {xphone} erreichbar.",
        "Fragestellung: Lungenembolie? D-Dimere 2,4 mg/l.",
        "Die <31-88>-jährige Patientin klagt über Schmerzen im linken Knie.",
        "Z. n. Mammakarzinom links, Erstdiagnose {month_year}, pT1c pN0.",
        "Hausarzt: {doctor_full}, {xstreet}, {xtown}.",
        "Vorstellung durch OA Dr. {doctor} am {date}.",
    ),
    "technique": (
        "Technik: Spiral-CT nach i.v.-Gabe von 90 ml Imeron 400, Schichtdicke 1,0 mm.",
        "Sagittale T1- und T2-gewichtete Sequenzen, axiale T2, STIR koronar. 7 ml Gadovist i.v.",
        "Röntgen-Thorax in 2 Ebenen im Stehen.",
        "Sonographie des Abdomens mit Farbduplex.",
        "Mammographie in CC- und MLO-Projektion, ergänzende Sonographie.",
        "DLP 388 mGy*cm. Serie 5, Bilder 20 bis 74.",
    ),
    "prior": (
        "Zum Vergleich liegt die CT vom {date} vor.",
        "Voraufnahmen: MRT vom {month_year}, extern ({xhospital}).",
        "Keine Voraufnahmen verfügbar.",
        "Im Vergleich zur Voruntersuchung vom {date} (Befund Dr. {doctor_last}) keine Änderung.",
        "Vergleich: {date} und {date}.",
        "Letzte Untersuchung am {weekday_date}.",
    ),
    "findings": (
        "12 x 8 mm großer Rundherd im rechten Oberlappen (Serie 3, Bild 45).",
        "Leber normal groß, homogenes Parenchym, keine fokale Läsion.",
        "Bandscheibenprotrusion in Höhe L4/5 mit Einengung des Recessus lateralis.",
        "Kein Pleuraerguss, kein Pneumothorax.",
        "Baker-Zyste in der Fossa poplitea, 3,2 cm.",
        "Keine freie Flüssigkeit im Douglas-Raum.",
        "Ductus Wirsungianus nicht erweitert, Pankreas lipomatös.",
        "Zustand nach Morbus Scheuermann, Schmorl-Knötchen Th11 und Th12.",
        "Morbus Bechterew mit Ankylose der Iliosakralgelenke.",
        "Kleine axiale Hiatushernie. Kurze Stenose des Sigmas.",
        "Nebenniere links mit 14 mm großem Adenom, 8 HU nativ.",
        "ACR-Dichte Typ B, BI-RADS 2 beidseits.",
        "Fazekas Grad 1, altersentsprechende Weite der inneren und äußeren Liquorräume.",
        "Hoffa-Fettkörper mit Signalanhebung, Achillessehne intakt.",
        "Mäßig differenziertes Adenokarzinom, pT2 pN1a (2/14), L0 V0 R0, Gleason 7a.",
        "Keine intrakranielle Blutung, keine Mittellinienverlagerung.",
        "Segment VII: 15 mm große Läsion mit arteriellem Enhancement.",
        "Lymphknoten paraaortal bis 9 mm Kurzachsendurchmesser.",
        "Herz nicht vergrößert, Mediastinum mittelständig.",
        "Innenmeniskushinterhorn mit Rissbildung Grad III nach Stoller.",
        "Osgood-Schlatter-typische Veränderung der Tuberositas tibiae.",
        "Harnblase über Foley-Katheter entleert.",
        "Lange, schmale Verkalkung der A. femoralis superficialis.",
        "Das Restharnvolumen beträgt 120 ml.",
        "Kein Nachweis einer tiefen Beinvenenthrombose.",
    ),
    "impression": (
        "Beurteilung: 1. Kein Hinweis auf ein Rezidiv.",
        "2. Größenkonstanter Rundherd seit {date}.",
        "Der Befund wurde mit Dr. {doctor_last} am {date} um 14:35 Uhr telefonisch besprochen.",
        "Zusammenfassung: Verlaufskontrolle in 6 Monaten empfohlen.",
        "Gegenüber {month_year} Größenzunahme von 21 auf 34 mm.",
        "Rücksprache mit Frau {doctor_full} ist erfolgt.",
        "Wir empfehlen Herrn {patient_last} die Vorstellung bei Prof. {doctor_last}.",
        "Befundmitteilung an OÄ {doctor_last} um 9:10 Uhr.",
    ),
    "note": (
        "Bilder wurden an das {xhospital} übersandt.",
        "Nächster Termin: {weekday_date}, 10:30 Uhr.",
        "Rückfragen unter {xphone} oder {email}.",
        "Aktuell auf Station {room}, Zimmer 214.",
        "Versichertennummer: {xid}",
        "Eine weitere Bildgebung ist derzeit nicht erforderlich.",
        "Tumorboard am {date}, anwesend: Dr. {doctor_last}, Dr. {doctor_last}, PD Dr. {doctor_last}.",
        "{patient_last} hat die Untersuchung gut vertragen.",
    ),
    "closing": (
        "Mit freundlichen kollegialen Grüßen\n\nProf. Dr. {doctor_full}\nChefarzt",
        "gez. Dr. med. {doctor_full}\nOberarzt der Klinik\n{date}",
        "Befundet von: {doctor_full}\nFreigegeben durch {doctor}, {date} 16:42 Uhr",
        "i.A. {doctor_full}, Assistenzärztin\nNachrichtlich: Dr. {ref}, {xstreet}, {xtown}",
        "Dr. {doctor_full}           Dr. {doctor_full}\nOberärztin                 Assistenzarzt",
        "Untersucher: {doctor}/{doctor_last}\nDiktat {date}, Schreibkraft {doctor_last}",
        "Mit freundlichen Grüßen\n{doctor_full}\nFachärztin für Radiologie\nDurchwahl {xphone}",
        "Kopie an: Dr. {ref}; Frau {doctor_full}; Hausarzt Dr. {doctor_last}",
    ),
}
