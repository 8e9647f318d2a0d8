// Written by check/emoji.mjs from emojibase-data (MIT).

/** Groups, and their emoji. */
export const PICTURES = {
  "smileys": "jXEC?GAt[jZkJCz8jaC?uXjetajpA~07jujrAuZjcRCtbjutIHXz:Ctc+z9tHZjhCk>z=k>!aSjgEkL*D!f@t]z@jdJXt\\k<EtJEON;u]C@k=tg3u[GjftKvhjmz<jwkI~07jtk6CECubAk.CCJ7?MFjnO=7XDuYk,?Atdj`egC~07j4fAtYeaCCDCtNkB@CDCCEAALCCetS;C>M9L~07s3f,~07s4!gm~07s4!xq~07s4xow)f3AAxmf4tFiLxntEesfG5EH=DhkfDe)!j@BIfE9",
  "people": "e3tRi8~07pni>zICCCECe4tDE~07potVzHtW;Ce0C?i=e/~07j1zMe5C~07pmtSCe7kTzNe8tj-kW~07ppemtkfBvVC8Ce*vSe+w(yhCvO?e(CFAz>e^vjeNCviDe\\CkUC9CeikSvgB!~07k2vg!~07k0kOt^Svi!~07mdvi!bkvi!csvi!afvi!bKvi!gtvi!fSvi!c,vi!c0vi!~07pkvi!l8vi!lJeVhme_tle`thykCvi!bTedb]tnvi!b\\vPvqCCC!~07k2vt!~07k0vuDlnvecKekhreWvnCcRllCtpCvi!tU!viewDj;eLCyjeK",
  "nature": "dmdJuuv?dndMvFdM!vRdaSurUdid@B!~08ijuidgd=CdlyvCdFulQ;vDdfd:CCdodNCdudGDAdbCv1;dPv;.Nded9Adq9d?dwvC+5dsB!~07r8d`Vv=CD2KdvukdLARCCCChBumCv:)v<y^vA3Dyed^!~08ijygdpdBZuvdEdjdAv-CdkdCddvEdWCCupdQy`Fuhv64C[dDusdSCCyZdVv/y[hoCujv7yXCv8f(a`fFy_aau(abCC=<y\\aZCCCKCCCCCyaCal",
  "food": "ECCCCCCuUavCCCCCz(uEamz*uM.anu<Cae;z)u:uT<v\\CuDz0aXz2Cb6u8Hz+uPI1v_;b.CuQ,b,M8aUuRaVCz,uAv^uBbKu@bJz-uK6bWv`<uSbI*CCCCEECCuV3CCb>CCCCZ0vYuObCCCCCOuC~07itz.bMCJ;CCCCu*Cz/uLvc:HCuJbU9u,grz1",
  "travel": "a5CCjRw5c\\~07owa3jSc]CHCCC:CJCCECDEDEf*jTC~07oqhDm=hE~07oyJa+caa,CCCD~07l4c(mEc*l:DDCEDGCCDDGcVAm]ljm\\GElG~07p9l`m9l_~07mb~07p1l\\m[lZ~07pkl9lXl8m`w;~06xn~073n~06xm~073kCa9FN~07i8aFy8~08k0aGC.~07i9~07nsaOCCCCCa(J~07ia~07mp~07r8~07ib~07no~07icgmf?a2",
  "activities": "b[CDCw0~07qgb`CCCw/bXCXJN-cNAu/CC~07nhCu6cHR:C7u7c;cWDCu5c[d0u2C<~07ozGc+twcEDm_u4c7y(Cgsc9gvy,c6hqc8Dw1Qy-yQy.~07kwG@>~2q4v~2pz8c<;idc0w=yIw>yJ",
  "objects": "e;hnueAvRe<CCw+CCCe?xkeAyUeCCCm5bjeGufeH3c1,w*gGelKCgOCCCg*CNg\\CcD;CbqCCKEgCc?Ey?c@CDy=u)y@1Cg9~07imfvgSySgTfSiME~06y0iYfVCCw6c-gEc4gB?CCVChgf9gncvy<flCCCCCC;2Cg^yAfHGCD=wF~07plg/C@JjK~07prEi3ADCfufTKCDCCDCCi/fgC~07pej)gZC>CCj5gpy;~07nz~07mamHj9~07mcf;y+mIyBgoyCgq~07mh?vGg_~07o3yEw8DyDw2CCgtCeqxperxqE@Clbm?:>4yHlwDw<EDCCyKwDz?wE4m:ld~07n4CwG",
  "symbols": "colfOCDFCCC~07molp~07o4lcgf~07j6CgKm8~07mjhA~07q9~07js9~07q5~07jaFFhFgwyWc.g>mDg;C~07k0D~07mv~07py~07thCCph~07lq~06d8O~07rnCCD~09iofIC~07md(~07mkh)fs~07ph~07ip~07pw~07rg~07u8Q~09j1~07qrCU~004pG~06jmghCCCC~2q9c~2qa6~2q9d~2qaaC~06k9~079e~2qad+[C"
};

/** The second letters of regions with a flag, by the first one. The browser knows their names. */
export const FLAGS = 'CDEFGILMOQRSTUWXZ ABDEFGHIJLMNOQRSTVWYZ ACDFGHIKLMNOPQRUVWXYZ EGJKMOZ ACEGHRSTU IJKMOR ABDEFGHILMNPQRSTUWY KMNRTU CDELMNOQRST EMOP EGHIMNPRWYZ ABCIKRSTUVY ACDEFGHKLMNOPQRSTUVWXYZ ACEFGILOPRUZ M AEFGHKLMNRSTWY A EOSUW ABCDEGHIJKLMNORSTVXYZ ACDFGHJKLMNORTVWZ AGMNSYZ ACEGINU FS K ET AMW';
