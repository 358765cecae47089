// Files from the mouse and the clipboard, folders included.

async function filesOf(entry, path = "") {
  if (entry.isFile) {
    const file = await new Promise((resolve, reject) => entry.file(resolve, reject));
    file.path = path + file.name;
    return [file];
  }
  const reader = entry.createReader();
  const found = [];
  for (;;) {
    const some = await new Promise((resolve, reject) => reader.readEntries(resolve, reject));
    if (!some.length) break;
    for (const one of some) if (!one.name.startsWith(".")) found.push(...await filesOf(one, `${path}${entry.name}/`));
  }
  return found;
}

export async function dropped(transfer) {
  const entries = [...transfer.items].map((item) => item.webkitGetAsEntry?.()).filter(Boolean);
  if (!entries.length) {
    const text = transfer.getData("text/plain");
    return transfer.files.length ? [...transfer.files] : text ? [new File([text], "dropped")] : [];
  }
  return (await Promise.all(entries.map((entry) => filesOf(entry)))).flat();
}

export const pasted = (text) => (text.trim() ? [new File([text], "pasted")] : []);
